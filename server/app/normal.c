#include "app/normal.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "balances/v1/balances.pb-c.h"
#include "balances/v1/ledger.pb-c.h"

static_assert(
    sizeof(struct text_pair) == sizeof(Balances__V1__Commit__CustomFieldsEntry) &&
        sizeof(struct text_pair) == sizeof(Balances__V1__Credit__CustomFieldsEntry) &&
        sizeof(struct text_pair) == sizeof(Balances__V1__AccountBalance__CustomFieldsEntry) &&
        sizeof(struct text_pair) == sizeof(Balances__V1__CreateCommitRequest__CustomFieldsEntry) &&
        sizeof(struct text_pair) == sizeof(Balances__V1__CreateCreditRequest__CustomFieldsEntry) &&
        sizeof(struct text_pair) == sizeof(Balances__V1__Charge__PricingGroupValuesEntry) &&
        sizeof(struct text_pair) == sizeof(Balances__V1__Charge__PresentationGroupValuesEntry) &&
        sizeof(struct text_pair) == sizeof(Balances__V1__Specifier__PricingGroupValuesEntry) &&
        sizeof(struct text_pair) == sizeof(Balances__V1__Specifier__PresentationGroupValuesEntry),
    "map entries differ");

/* protobuf-c does not say which messages are entries of maps; no other has these two fields. */
static bool is_text_pair(const ProtobufCMessageDescriptor *type)
{
    return type->n_fields == 2 && strcmp(type->fields[0].name, "key") == 0 &&
           strcmp(type->fields[1].name, "value") == 0 &&
           type->fields[0].type == PROTOBUF_C_TYPE_STRING &&
           type->fields[1].type == PROTOBUF_C_TYPE_STRING;
}

static void drop_unknown(ProtobufCMessage *m)
{
    m->n_unknown_fields = 0;
    m->unknown_fields = NULL;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp((*(struct text_pair *const *)a)->key, (*(struct text_pair *const *)b)->key);
}

static void normalize_map(struct text_pair **pairs, size_t *count)
{
    size_t kept = 0;

    if (*count == 0)
        return;
    /* The count of unknown fields, of which there are none now, remembers the order of arrival,
     * which qsort forgets. */
    for (size_t i = 0; i < *count; i++) {
        drop_unknown(&pairs[i]->base);
        pairs[i]->base.n_unknown_fields = (unsigned)i;
    }
    qsort(pairs, *count, sizeof *pairs, compare_keys);
    for (size_t i = 0; i < *count; i++) {
        struct text_pair *last = kept > 0 ? pairs[kept - 1] : NULL;
        if (!last || strcmp(last->key, pairs[i]->key) != 0)
            pairs[kept++] = pairs[i];
        else if (pairs[i]->base.n_unknown_fields > last->base.n_unknown_fields)
            pairs[kept - 1] = pairs[i];
    }
    for (size_t i = 0; i < kept; i++)
        drop_unknown(&pairs[i]->base);
    *count = kept;
}

void message_normalize(ProtobufCMessage *m)
{
    const ProtobufCMessageDescriptor *type = m->descriptor;

    drop_unknown(m);
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        void *member = (char *)m + field->offset;
        if (field->label != PROTOBUF_C_LABEL_REPEATED) {
            ProtobufCMessage *inner = *(ProtobufCMessage **)member;
            bool in_oneof = field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
            int which = 0;
            if (in_oneof)
                memcpy(&which, (char *)m + field->quantifier_offset, sizeof which);
            if (inner && (!in_oneof || which == (int)field->id))
                message_normalize(inner);
            continue;
        }
        size_t *count = (size_t *)(void *)((char *)m + field->quantifier_offset);
        ProtobufCMessage **inner = *(ProtobufCMessage ***)member;
        if (is_text_pair(field->descriptor)) {
            normalize_map(*(struct text_pair ***)member, count);
            continue;
        }
        for (size_t j = 0; j < *count; j++)
            message_normalize(inner[j]);
    }
}
