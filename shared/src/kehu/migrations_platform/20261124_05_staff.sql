-- Who may act: the people, their roles and departments, folded from customer-registry's facts (see kehu.identity).
-- depends:
-- migrate: apply
CREATE TABLE staff (
    person text PRIMARY KEY,
    number text NOT NULL,
    name_personal text NOT NULL,
    department text,
    -- From the start of a departure; access ends with it at 24:00 in Shanghai (R4.6).
    last_day date,
    cleared boolean NOT NULL DEFAULT false,
    ended boolean NOT NULL DEFAULT false
);

CREATE TABLE staff_grants (
    person text NOT NULL,
    role text NOT NULL,
    -- Empty for a role in the whole company: a key has no NULLs.
    department text NOT NULL DEFAULT '',
    PRIMARY KEY (person, role, department)
);
-- Who has a role in a department, for whoever is to be told or asked.
CREATE INDEX staff_grants_role ON staff_grants (role, department);

CREATE TABLE departments (
    code text PRIMARY KEY,
    name text NOT NULL,
    region text NOT NULL
);

-- migrate: rollback
DROP TABLE departments;
DROP TABLE staff_grants;
DROP TABLE staff;
