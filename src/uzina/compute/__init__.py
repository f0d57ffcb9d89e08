"""Jobs on clusters: hand them over, watch them, measure them."""
