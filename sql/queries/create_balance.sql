-- A new commit or credit, without its schedules.
--
-- $1 customer  $2 id  $3 kind  $4 credit type  $5 contract or null  $6 name or null
-- $7 description or null  $8 custom fields as JSON  $9 product  $10 priority  $11 rate type or null
-- $12 applicable contracts, $13 products, $14 tags  $15 specifiers as JSON or null
-- $16 child access or null  $17 its contracts  $18, $19 NetSuite's and Salesforce's id, or null
-- $20 uniqueness key or null  $21 contract, $22 credit type of the invoices, or null
-- $23 not invoiced?  $24 rollover fraction or null
INSERT INTO balance (customer_id, id, kind, credit_type_id, contract_id, name, description,
                     custom_fields, product_id, priority, rate_type, applicable_contract_ids,
                     applicable_product_ids, applicable_product_tags, specifiers, child_access,
                     child_contract_ids, netsuite_sales_order_id, salesforce_opportunity_id,
                     uniqueness_key, invoice_contract_id, invoice_credit_type_id, do_not_invoice,
                     rollover_fraction)
VALUES ($1, $2, $3::text::balance_kind, $4, $5, $6::text, $7::text, $8::text::jsonb, $9, $10,
        $11::text::rate_type, $12::uuid[], $13::uuid[], $14::text[], $15::text::jsonb,
        $16::text::child_access, $17::uuid[], $18::text, $19::text, $20::text, $21, $22, $23,
        $24::text::numeric)
