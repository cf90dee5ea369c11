"""The fake world and the fault campaigns that prove what LeadPilot promises (TRUST). The application never imports it."""
