"""The rules of R5.2: the numbers they use, what is known of a customer, and the grade that follows, explained."""
