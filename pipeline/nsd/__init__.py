"""Readers of NSD: files, experimental design, responses, regions, transforms and downloads."""
