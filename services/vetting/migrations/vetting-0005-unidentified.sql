-- Receipts of a payer that is no settlement unit yet, found when it becomes one
-- depends: vetting-0004-invoices vetting-0004-ends

-- migrate: apply

CREATE INDEX receipts_unidentified ON receipts (payer, receipt) WHERE unit IS NULL;

-- migrate: rollback
DROP INDEX receipts_unidentified;
