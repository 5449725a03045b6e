/* Reads the fields of requests. Each function looks at one field; what is wrong with it is added to
 * the call's status, so that a caller hears of all wrong fields at once. When all are read, look at
 * `status.violation_count`. Sources: the proto's comments, design rulings 6 to 9. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/normal.h"
#include "base/id.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "ledger/model.h"
#include "rpc/call.h"

__attribute__((format(printf, 3, 4))) void field_wrong(struct call *c, const char *field,
                                                       const char *format, ...);
/* The id in `text`; required. */
void field_id(struct call *c, const char *field, const char *text, struct id *ret);
/* The id of a credit type. An empty text means USD (cents) and is spelt out, so that the default
 * and its own name are one request. */
void field_credit_type(struct call *c, const char *field, char **text, struct id *ret);
/* The same, where an empty text means none: false. */
bool field_optional_id(struct call *c, const char *field, const char *text, struct id *ret);
/* An instant in microseconds; false if the field is not set. What lies between two microseconds is
 * taken down, or up: comparisons with stored instants then come out as with the exact one. */
bool field_instant_down(struct call *c, const char *field, const Google__Protobuf__Timestamp *t,
                        instant *ret);
bool field_instant_up(struct call *c, const char *field, const Google__Protobuf__Timestamp *t,
                      instant *ret);
/* An instant of a write, which stores it: whole microseconds, nothing is rounded. */
bool field_instant(struct call *c, const char *field, const Google__Protobuf__Timestamp *t,
                   instant *ret);
/* The same; required. */
bool field_required_instant(struct call *c, const char *field, const Google__Protobuf__Timestamp *t,
                            instant *ret);
/* An amount; required. The text becomes the amount's shortest, so that two spellings of a request
 * are one. */
bool field_amount(struct call *c, const char *field, char **text, amount *ret);
/* The same, of a thing that cannot be negative. */
bool field_amount_from_zero(struct call *c, const char *field, char **text, amount *ret);
/* Text of at most so many characters; where it is required, of at least one. */
void field_text(struct call *c, const char *field, const char *text, size_t characters_max);
void field_required_text(struct call *c, const char *field, const char *text,
                         size_t characters_max);
/* A list of ids, and one of tags, which are not empty; "field[2]" is what is wrong. Both have at
 * most LIST_ITEMS_MAX items. ERR_EXHAUSTED when the arena is full. */
MUST_CHECK enum err field_ids(struct call *c, const char *field, char *const *texts, size_t count,
                              struct id **ret);
void field_tags(struct call *c, const char *field, char *const *texts, size_t count);
/* A map of texts, as JSON that the schema takes; no data when the arena is full. */
struct bytes field_map(struct call *c, const char *field, struct text_pair *const *pairs,
                       size_t count);
/* JSON that is longer than the schema takes is wrong. */
void field_json(struct call *c, const char *field, struct bytes json);
/* False, with a violation, where a list has more items than that. */
bool field_count(struct call *c, const char *field, size_t count, size_t max);
/* The version of what is to be changed; required. */
void field_version(struct call *c, const char *field, int64_t version);
/* A page size; 0 means `initial`. */
int field_limit(struct call *c, const char *field, int32_t value, int initial, int max);
