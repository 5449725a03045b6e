-- An invoice that is made, finalized or voided moves its customer's version, like all that a writer
-- decides on: whoever has seen it as a draft may then rely on that until the end of the transaction.

CREATE TRIGGER step1_version_insert AFTER INSERT ON invoice
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION bump_versions_of_rows();

CREATE TRIGGER step1_version_update AFTER UPDATE ON invoice
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION bump_versions_of_rows();

CREATE TRIGGER step1_version_delete AFTER DELETE ON invoice
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION bump_versions_of_rows();
