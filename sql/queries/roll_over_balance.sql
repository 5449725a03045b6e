-- The balance that carries on what is left of another, without its segment: what was invoiced stays with the
-- other, and so does the right to roll over.
--
-- $1 customer  $2 id  $3 the other's id  $4 the contract it comes from  $5 the contract it goes to
INSERT INTO balance (customer_id, id, kind, credit_type_id, contract_id, name, description,
                     custom_fields, product_id, priority, rate_type, applicable_contract_ids,
                     applicable_product_ids, applicable_product_tags, specifiers, child_access,
                     child_contract_ids, netsuite_sales_order_id, salesforce_opportunity_id,
                     true_up_disabled, rolled_over_from_balance_id, rolled_over_from_contract_id)
SELECT b.customer_id, $2::uuid, b.kind, b.credit_type_id, $5::uuid, b.name, b.description,
       b.custom_fields, b.product_id, b.priority, b.rate_type,
       array_replace(b.applicable_contract_ids::uuid[], $4::uuid, $5::uuid),
       b.applicable_product_ids, b.applicable_product_tags, b.specifiers, b.child_access,
       b.child_contract_ids, b.netsuite_sales_order_id, b.salesforce_opportunity_id,
       b.true_up_disabled, b.id, $4::uuid
FROM balance b
WHERE b.customer_id = $1 AND b.id = $3
