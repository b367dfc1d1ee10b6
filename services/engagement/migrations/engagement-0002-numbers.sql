-- Customers are found by the number that people say
-- depends: engagement-0001-visits

-- migrate: apply
CREATE INDEX visit_customers_number ON visit_customers (number, customer);

-- migrate: rollback
DROP INDEX visit_customers_number;
