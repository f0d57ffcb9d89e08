"""What every module needs and no module owns. Knows no noun of the domain."""
