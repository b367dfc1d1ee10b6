-- Delegates of an absent approver are told too: what is asked for, as delegations name it
-- depends: notifier-0001-messages

-- migrate: apply
ALTER TABLE notices ADD COLUMN step text;

-- migrate: rollback
ALTER TABLE notices DROP COLUMN step;
