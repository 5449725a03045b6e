/* Every bound in one place, each with what a caller gets when it is hit. Settings that an operator
 * may change live in config.h; these are what the code is built for. */
#pragma once

enum {
    /* Calls. Over it: RESOURCE_EXHAUSTED at once, with RetryInfo. */
    CALLS_MAX = 1024,
    /* Slots that wait for the next call of a method, so that a burst in one poll finds a place. */
    CALLS_ARMED_PER_METHOD = 32,
    /* Open streams (health watches, reflection) of one worker. Over it: RESOURCE_EXHAUSTED. */
    STREAMS_MAX = 256,

    /* A request message. Over it: RESOURCE_EXHAUSTED, by gRPC itself. */
    REQUEST_BYTES_MAX = 64 * 1024,
    /* Metadata of a request. Over it: RESOURCE_EXHAUSTED, by gRPC itself. */
    METADATA_BYTES_MAX = 8 * 1024,
    /* Fields that our protocol does not know; newer clients send a few, abuse sends thousands
     * (protobuf-c keeps each in its own allocation). Over it: INVALID_ARGUMENT. */
    UNKNOWN_FIELDS_MAX = 64,
    /* Messages in messages. Ours nest to 4. Over it: INVALID_ARGUMENT. */
    MESSAGE_DEPTH_MAX = 8,
    /* An answer message (design: ruling 15). A list is cut into pages before it. */
    ANSWER_BYTES_MAX = 3 * 1024 * 1024,

    /* A call's memory, and that of all calls of a worker. Over it: RESOURCE_EXHAUSTED. */
    ARENA_CHUNK_BYTES = 16 * 1024,
    ARENA_BYTES_MAX = 64 * 1024 * 1024,
    ARENA_POOL_BYTES_MAX = 512 * 1024 * 1024,
    /* Chunks that a worker keeps for the next call; the others go back to the system. */
    ARENA_POOL_KEPT_MAX = 128,

    /* The details of an error: trailers must stay below the 8 KiB that clients may refuse. */
    VIOLATIONS_MAX = 16,
    STATUS_MESSAGE_BYTES_MAX = 512,
    STATUS_DETAILS_BYTES_MAX = 5 * 1024,

    /* Requests in flight on one database connection. Over it: RESOURCE_EXHAUSTED. */
    SQL_IN_FLIGHT_MAX = 256,
    /* Requests that wait for the first connection after the start. Over it: UNAVAILABLE. */
    SQL_WAITING_MAX = 1024,
    /* Parameters of one statement. */
    SQL_PARAMS_MAX = 24,

    /* Customers whose changes the feed takes on at once; the others wait for its next turn. */
    FEED_BATCH_MAX = 512,
    FEED_ARENA_BYTES = 256 * 1024,

    /* Commands on their way to Redis. Over it: a lookup is a miss, an answer is not filed; a raise
     * has room of its own, and beyond that ERR_UNAVAILABLE. */
    REDIS_IN_FLIGHT_MAX = 1024,
    REDIS_RAISES_MAX = 1024,
    /* Bytes that wait to be sent to it. The same, but for raises, which are small. */
    REDIS_OUT_BYTES_MAX = 8 * 1024 * 1024,
    /* An answer that is filed. Over it: it is computed anew each time. */
    CACHE_ANSWER_BYTES_MAX = 512 * 1024,
    /* An answer of Redis. Over it: the connection is given up. */
    REDIS_REPLY_BYTES_MAX = 2 * CACHE_ANSWER_BYTES_MAX,

    /* Writes of one customer that wait for their turn in one worker. Over it: RESOURCE_EXHAUSTED.
     */
    WRITES_WAITING_MAX = 256,
    /* Draw-downs that are committed together, and what there is to decide of them: charges. Over it
     * the next ones wait for the next commit. */
    BATCH_MEMBERS_MAX = 128,
    BATCH_WEIGHT_MAX = 1000,
    /* How long a write waits before it looks again whether it took place. */
    WRITE_PAUSE_MS = 20,
    /* Customers whose cached answers a write of a product or a credit type ends itself; the change
     * feed does the rest. */
    WRITE_CHANGES_MAX = 256,

    /* Texts, lists and maps of a write, as the schema has them. Over it: INVALID_ARGUMENT. */
    NAME_CHARACTERS_MAX = 1000,
    PROSE_CHARACTERS_MAX = 10000,
    UNIQUENESS_KEY_CHARACTERS_MAX = 128,
    CODE_CHARACTERS_MAX = 80,
    LINE_TEXT_CHARACTERS_MAX = 200, /* what an invoice says in a line */
    TYPE_NAME_CHARACTERS_MAX = 200,
    LINE_ITEM_TYPES_MAX = 6,
    LIST_ITEMS_MAX = 1000,
    CUSTOM_FIELDS_MAX = 100,
    JSON_CHARACTERS_MAX = 65536,
    /* Segments, and invoice items, of a new balance. Over it: INVALID_ARGUMENT. */
    SCHEDULE_ITEMS_MAX = 1000,

    /* Charges of one draw-down. Over it: INVALID_ARGUMENT. */
    DRAW_CHARGES_MAX = 250,

    /* Page sizes, defaults and largest (proto). Outside: INVALID_ARGUMENT. */
    BALANCES_PAGE_MAX = 25,
    ACCOUNT_BALANCES_PAGE_MAX = 100,
    TRANSACTION_TYPES_PAGE_MAX = 100,
    LEDGER_PAGE_MAX = 1000,
    LEDGER_PAGE_DEFAULT = 100,
    TRANSACTIONS_PAGE_MAX = 200,
    /* Stored entries and drafts that a page of balances with ledgers reads at most, and that one
     * balance may have in it: more than fit into ANSWER_BYTES_MAX. Beyond: a shorter page, or
     * RESOURCE_EXHAUSTED for the one balance. */
    LEDGER_INLINE_MAX = 24000,

    /* GetNetBalance: filters, ids and custom fields of all filters. Over it: INVALID_ARGUMENT. */
    FILTERS_MAX = 64,
    FILTER_TERMS_MAX = 1000,

    /* Workers that an operator may ask for. */
    WORKERS_MAX = 64,
    /* HTTP, for probes and metrics: connections (over it they are closed at once), what a request
     * may have in its headers (431), how long one may say nothing, and a page. */
    HTTP_CONNECTIONS_MAX = 64,
    HTTP_REQUEST_BYTES_MAX = 8 * 1024,
    HTTP_IDLE_S = 10,
    HTTP_BODY_BYTES_MAX = 1024 * 1024,
    /* A loop that has not turned for so long is dead, and so is the process (/livez). */
    LIVE_MS = 10 * 1000,
    /* The file of those who may call, and the tokens in it. Over it: the file is refused. */
    ACCESS_FILE_BYTES_MAX = 1024 * 1024,
    ACCESS_TOKENS_MAX = 1000,
    ACCESS_NAME_MAX = 64,
    /* A file of certificates, or of a key. Over it: it is refused. */
    PEM_FILE_BYTES_MAX = 1024 * 1024,

    /* Text of a token. Over it: INVALID_ARGUMENT without a look inside. */
    TOKEN_TEXT_MAX = 512,
};
