-- All that may change of an account balance, but for the dates of its segment.
--
-- The parameters of create_account_balance.sql.
UPDATE balance b
SET updated_at = $3, credit_type_id = $4, code = $5::text, name = $6::text, description = $7::text,
    contract_id = $8, rollover_amount = $9::text::numeric, rollover_ending_before = $10,
    draw_down_description = $11::text, overage_surcharge_percent = $12::text::numeric,
    overage_description = $13::text, product_ids = $14,
    line_item_types = $15::text[]::line_item_type[], allow_overdraft = $16,
    custom_fields = $17::text::jsonb, consumptions_accounting_product_id = $18,
    fees_accounting_product_id = $19
WHERE b.customer_id = $1 AND b.id = $2
