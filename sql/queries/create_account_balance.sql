-- A new account balance, without its segment.
--
-- $1 customer  $2 id  $3 now  $4 credit type  $5 code  $6 name  $7 description or null
-- $8 contract or null  $9 rollover amount as text or null  $10 end of the rollover or null
-- $11 description of draw-downs or null  $12 surcharge as text, $13 description of overage, or null
-- $14 products  $15 line item types  $16 overdraft?  $17 custom fields as JSON
-- $18, $19 accounting products of consumptions and of fees, or null
INSERT INTO balance (customer_id, id, kind, created_at, updated_at, credit_type_id, code, name,
                     description, contract_id, rollover_amount, rollover_ending_before,
                     draw_down_description, overage_surcharge_percent, overage_description,
                     product_ids, line_item_types, allow_overdraft, custom_fields,
                     consumptions_accounting_product_id, fees_accounting_product_id)
VALUES ($1, $2, 'ACCOUNT_BALANCE', $3, $3, $4, $5::text, $6::text, $7::text, $8,
        $9::text::numeric, $10, $11::text, $12::text::numeric, $13::text, $14,
        $15::text[]::line_item_type[], $16, $17::text::jsonb, $18, $19)
