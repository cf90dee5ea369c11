"""What whoever operates an installation needs: metrics, backup, restore, and the comparison with Sent that follows one."""
