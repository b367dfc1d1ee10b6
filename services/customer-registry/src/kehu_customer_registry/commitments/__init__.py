"""What keeps a customer from being merged: open qualification reviews and released goods, as vetting tells of them."""
