-- The products that a balance names by tags, which a draw-down counts: found past any number of others.
-- Products are written seldom and looked for all the time, so what is new goes into the index at
-- once, rather than into a list that every search reads through.
--
-- On a live system: while it is built, about a second for 100000 products, writes of products wait.
-- Whatever reads products, or refers to them, goes on.
CREATE INDEX product_by_tag ON product USING gin (tags) WITH (fastupdate = off);
