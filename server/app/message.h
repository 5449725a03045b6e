/* Pieces of answer messages, made in an arena. Each function gives NULL when the arena is full, and
 * so does every piece that a NULL would be part of: whoever makes a message looks at `arena.full`
 * once, before it is packed. */
#pragma once

#include "balances/v1/balances.pb-c.h"
#include "base/arena.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "google/protobuf/wrappers.pb-c.h"
#include "ledger/model.h"
#include "sql/cell.h"

/* A text field of a message without a value: what protobuf-c leaves out. */
char *message_no_text(void);

char *message_id(struct arena *a, const struct id *id);
char *message_amount(struct arena *a, amount value);
Google__Protobuf__Timestamp *message_instant(struct arena *a, instant at);

/* The next values of a row; what is null there is a field without a value. */
char *read_message_text(struct sql_reader *r, struct arena *a);
char *read_message_id(struct sql_reader *r, struct arena *a);
char *read_message_amount(struct sql_reader *r, struct arena *a);
Google__Protobuf__Timestamp *read_message_instant(struct sql_reader *r, struct arena *a);
Google__Protobuf__DoubleValue *read_message_double(struct sql_reader *r, struct arena *a);
/* An enum's number by the database's label, which the wire's name has behind `prefix`; 0 for null.
 */
int read_message_enum(struct sql_reader *r, const ProtobufCEnumDescriptor *type,
                      const char *prefix);
char **read_message_ids(struct sql_reader *r, struct arena *a, size_t *ret_count);
char **read_message_texts(struct sql_reader *r, struct arena *a, size_t *ret_count);
/* An array of records of key and value, as entries of one of the maps, which are all alike in
 * memory (normal.c checks it). */
ProtobufCMessage **read_message_map(struct sql_reader *r, struct arena *a,
                                    const ProtobufCMessageDescriptor *entry, size_t *ret_count);

/* One ledger entry: its domain part. */
Balances__V1__LedgerEntry *message_entry(struct arena *a, const struct entry *e);
/* The domain's type by the wire's number; ERR_INVALID if there is none. */
MUST_CHECK enum err message_entry_type(int number, enum entry_type *ret);
