"""What a report asks, and when too little is used."""
