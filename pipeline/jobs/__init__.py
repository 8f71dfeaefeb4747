"""Inputs of jobs: settings of a frozen run, versions of code, arguments."""
