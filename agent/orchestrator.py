"""Turns the state of an organization into tasks."""
def look_for_work(org_id):
    return 0
