-- Key roles that wait for a second admin
-- depends: customer-registry-0011-posts

-- migrate: apply

CREATE TABLE role_proposals (
    person text NOT NULL,
    role text NOT NULL,
    department text NOT NULL, -- empty: in the whole company
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL,
    PRIMARY KEY (person, role, department)
);

-- migrate: rollback
DROP TABLE role_proposals;
