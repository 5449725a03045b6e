/* Reads the fields of requests. Each function looks at one field; what is wrong with it is added to
 * the call's status, so that a caller hears of all wrong fields at once. When all are read, look at
 * `status.violation_count`. Sources: the proto's comments, design rulings 6 to 9. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "ledger/model.h"
#include "rpc/call.h"

__attribute__((format(printf, 3, 4))) void field_wrong(struct call *c, const char *field,
                                                       const char *format, ...);
/* The id in `text`; required. */
void field_id(struct call *c, const char *field, const char *text, struct id *ret);
/* The same, where an empty text means none: false. */
bool field_optional_id(struct call *c, const char *field, const char *text, struct id *ret);
/* An instant in microseconds; false if the field is not set. What lies between two microseconds is
 * taken down, or up: comparisons with stored instants then come out as with the exact one. */
bool field_instant_down(struct call *c, const char *field, const Google__Protobuf__Timestamp *t,
                        instant *ret);
bool field_instant_up(struct call *c, const char *field, const Google__Protobuf__Timestamp *t,
                      instant *ret);
/* A page size; 0 means `initial`. */
int field_limit(struct call *c, const char *field, int32_t value, int initial, int max);
