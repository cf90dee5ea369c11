"""`manage.py trust engine`: real clusters, killed, flooded, robbed of queue and database (TRUST F2 F3 F4 F13 F17)."""
