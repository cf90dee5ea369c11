"""Everything that runs on one machine: started, watched and stopped together. `python -m leadpilot.run`."""
