"""What the factory owes its funders: reports and the use of what was given. Reads everyone, changes no one."""
