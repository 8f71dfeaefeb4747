"""What the documentation says of the study and of the presets is there."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from conftest import ROOT

from pipeline.analyses.registry import ANALYSES
from pipeline.code_version import stage_modules
from pipeline.configuration.reading import parse_configuration
from pipeline.configuration.study import Configuration
from pipeline.settings import GROUP_SPACES

# of the straight line, and of analyses with the names of their tables
FILES = ["pipeline/rules/*.smk", "pipeline/analyses/*/rules.smk", "pipeline/analyses/*/analysis.py"]
RULES = "\n".join(path.read_text() for found in FILES for path in sorted(ROOT.glob(found)))
TARGETS = set(re.findall(r"^ *rule (\w+):", RULES, re.MULTILINE))
MOST_WORDS = 700


