-- The numbers of delegations: WT000001 and on
-- depends: customer-registry-0001-register

-- migrate: apply
CREATE SEQUENCE delegation_numbers;

-- migrate: rollback
DROP SEQUENCE delegation_numbers;
