"""Speed beside the limit: each subject measures LeadPilot and, in the same run, the least that anyone would need.

A subject is a module of this package with `HELP`, `add_arguments(parser)` and `measure(**options) → Iterator[Figure]`.
To add one, write the module and name it in SUBJECTS: the word on the command line, and the module.
"""

SUBJECTS = {"send": "send", "tasks": "tasks", "latency": "latency", "import": "importing"}
