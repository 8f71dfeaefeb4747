"""What a job is given and runs: settings of a frozen run, versions of code, arguments."""
