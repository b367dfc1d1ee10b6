"""Special VAT invoices: their request (F2), the register of every invoice, red letters, and their collection (F3)."""
