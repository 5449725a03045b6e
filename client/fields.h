/* Text from the command line into the fields of a request, whatever its type: the field is given by
 * its descriptor. A request filled in so owns all that it holds, as if it had been unpacked, and
 * ends by protobuf_c_message_free_unpacked(request, NULL).
 *
 * Every setter has the same shape. On ERR_INVALID the request is as it was and `*ret_allowed` says
 * what may stand there ("a number, as in 25"); the caller frees it. Syntax alone is looked at: what
 * an id or a limit may be is for the server to say. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/err.h"

typedef enum err field_set_fn(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                              const char *text, char **ret_allowed);

MUST_CHECK field_set_fn field_set_text;
/* `text` is not looked at. */
MUST_CHECK field_set_fn field_set_true;
MUST_CHECK field_set_fn field_set_false;
MUST_CHECK field_set_fn field_set_int32;
MUST_CHECK field_set_fn field_set_int64;
/* A number wrapped in google.protobuf.DoubleValue. Never an amount: those are text. */
MUST_CHECK field_set_fn field_set_double;
/* Adds one text. */
MUST_CHECK field_set_fn field_add_text;
/* Adds texts separated by commas. */
MUST_CHECK field_set_fn field_add_texts;
/* One name of an enum, as in field_add_enums(). */
MUST_CHECK field_set_fn field_set_enum;
/* Adds a segment "AMOUNT,FROM,BEFORE" to a NewAccessSchedule. */
MUST_CHECK field_set_fn field_add_access;
/* Adds an item "AMOUNT,TIME" or "UNIT_PRICExQUANTITY,TIME" to a NewInvoiceSchedule. */
MUST_CHECK field_set_fn field_add_invoice;
/* Adds a Charge "AMOUNT,KEY=VALUE,…"; a backslash takes the meaning from the character behind it.
 */
MUST_CHECK field_set_fn field_add_charge;
/* Adds a Specifier "KEY=VALUE,…", likewise. */
MUST_CHECK field_set_fn field_add_specifier;
/* Adds "KEY=VALUE" to a map, likewise. */
MUST_CHECK field_set_fn field_add_pair;
/* The child access of a HierarchyConfiguration: "all", "none", or ids of contracts. */
MUST_CHECK field_set_fn field_set_child_access;
/* Sets do_not_invoice of a NewInvoiceSchedule. `text` is not looked at. */
MUST_CHECK field_set_fn field_set_not_invoiced;
/* The credit type of a NewAccessSchedule or a NewInvoiceSchedule. */
MUST_CHECK field_set_fn field_set_schedule_credit_type;
/* An RFC 3339 instant. */
MUST_CHECK field_set_fn field_set_instant;
/* Adds names of a repeated enum, separated by commas, in any case, with or without the enum's
 * prefix. */
MUST_CHECK field_set_fn field_add_enums;
/* "finalized" or "all". */
MUST_CHECK field_set_fn field_set_mode;
/* "fresh", "full" or "token:…". */
MUST_CHECK field_set_fn field_set_consistency;
/* Adds one BalanceFilter: "type=CREDIT,PREPAID_COMMIT;id=…,…;field=key:value". A backslash takes
 * the meaning from the character behind it. */
MUST_CHECK field_set_fn field_add_filter;

/* A text field of any message by its name, which it has. */
char **field_text(ProtobufCMessage *message, const char *name);
/* Replaces the text of such a field. */
void field_replace_text(ProtobufCMessage *message, const char *name, const char *text);
