/* The descriptor set is unpacked once and indexed: each symbol that it declares, sorted, with its
 * file. Of a file go out first itself, then everything it imports that this stream has not seen
 * yet. */
#include "rpc/reflection.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "google/protobuf/descriptor.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "rpc/server.h"
#include "rpc/worker.h"

typedef Google__Protobuf__FileDescriptorProto file_proto;
typedef Google__Protobuf__DescriptorProto message_proto;
typedef Google__Protobuf__EnumDescriptorProto enum_proto;
typedef Grpc__Reflection__V1__ServerReflectionRequest reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse reflection_response;

/* Of the two oneofs, whose generated names are longer than a line. */
#define QUESTION(name) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##name
#define ANSWER(name)   GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##name

enum { FILES_MAX = 64, NAME_MAX_BYTES = 512, GRPC_NOT_FOUND = 5 };

struct symbol {
    char *name; /* "balances.v1.Commit.id" */
    int file;
    bool is_message;
};

struct reflection {
    Google__Protobuf__FileDescriptorSet *set;
    struct bytes packed[FILES_MAX];
    uint64_t imports[FILES_MAX]; /* transitive, the file itself included */
    struct symbol *symbols;
    size_t symbol_count, symbol_room;
    const char **services; /* sorted */
    size_t service_count;
};

/* ---- the index ---- */

static void add(struct reflection *r, int file, bool is_message, const char *scope,
                const char *name)
{
    char full[NAME_MAX_BYTES];

    snprintf(full, sizeof full, "%s%s%s", scope, *scope ? "." : "", name);
    if (r->symbol_count == r->symbol_room) {
        r->symbol_room = r->symbol_room ? 2 * r->symbol_room : 256;
        r->symbols = realloc(r->symbols, r->symbol_room * sizeof *r->symbols);
        assert(r->symbols);
    }
    r->symbols[r->symbol_count] = (struct symbol){strdup(full), file, is_message};
    assert(r->symbols[r->symbol_count].name);
    r->symbol_count++;
}

static void add_enum(struct reflection *r, int file, const char *scope, const enum_proto *e)
{
    add(r, file, false, scope, e->name);
    /* The values of an enum are its siblings, as in C++. */
    for (size_t i = 0; i < e->n_value; i++)
        add(r, file, false, scope, e->value[i]->name);
}

/* Nested as deep as our own files are, which is not deep. */
static void add_message(struct reflection *r, int file, const char *scope, const message_proto *m)
{
    char inner[NAME_MAX_BYTES];

    add(r, file, true, scope, m->name);
    snprintf(inner, sizeof inner, "%s%s%s", scope, *scope ? "." : "", m->name);
    for (size_t i = 0; i < m->n_field; i++)
        add(r, file, false, inner, m->field[i]->name);
    for (size_t i = 0; i < m->n_oneof_decl; i++)
        add(r, file, false, inner, m->oneof_decl[i]->name);
    for (size_t i = 0; i < m->n_enum_type; i++)
        add_enum(r, file, inner, m->enum_type[i]);
    for (size_t i = 0; i < m->n_nested_type; i++)
        add_message(r, file, inner, m->nested_type[i]);
}

static void add_file(struct reflection *r, int file, const file_proto *f)
{
    char inner[NAME_MAX_BYTES];
    const char *package = f->package ? f->package : "";

    for (size_t i = 0; i < f->n_message_type; i++)
        add_message(r, file, package, f->message_type[i]);
    for (size_t i = 0; i < f->n_enum_type; i++)
        add_enum(r, file, package, f->enum_type[i]);
    for (size_t i = 0; i < f->n_service; i++) {
        add(r, file, false, package, f->service[i]->name);
        snprintf(inner, sizeof inner, "%s.%s", package, f->service[i]->name);
        for (size_t j = 0; j < f->service[i]->n_method; j++)
            add(r, file, false, inner, f->service[i]->method[j]->name);
    }
}

static int find_file(const struct reflection *r, const char *name)
{
    for (size_t i = 0; i < r->set->n_file; i++) {
        if (strcmp(r->set->file[i]->name, name) == 0)
            return (int)i;
    }
    return -1;
}

static int compare_symbols(const void *a, const void *b)
{
    return strcmp(((const struct symbol *)a)->name, ((const struct symbol *)b)->name);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const struct symbol *find_symbol(const struct reflection *r, const char *name)
{
    const struct symbol key = {.name = text_borrow(name)};

    return bsearch(&key, r->symbols, r->symbol_count, sizeof key, compare_symbols);
}

static void list_services(struct reflection *r, const struct rpc_service *services, int count)
{
    static const char *const own[] = {
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    };
    enum { OWN_COUNT = sizeof own / sizeof *own };

    r->service_count = (size_t)count + OWN_COUNT;
    r->services = calloc(r->service_count, sizeof *r->services);
    assert(r->services);
    for (int i = 0; i < count; i++)
        r->services[i] = services[i].name;
    memcpy(r->services + count, own, sizeof own);
    qsort(r->services, r->service_count, sizeof *r->services, compare_names);
}

struct reflection *reflection_open(struct bytes descriptors, const struct rpc_service *services,
                                   int service_count)
{
    struct reflection *r = calloc(1, sizeof *r);

    assert(r);
    r->set = google__protobuf__file_descriptor_set__unpack(NULL, descriptors.len, descriptors.data);
    assert(r->set && r->set->n_file <= FILES_MAX);
    for (size_t i = 0; i < r->set->n_file; i++) {
        const file_proto *f = r->set->file[i];
        size_t len = protobuf_c_message_get_packed_size(&f->base);
        uint8_t *packed = malloc(len);
        assert(packed);
        protobuf_c_message_pack(&f->base, packed);
        r->packed[i] = bytes_of(packed, len);
        /* protoc writes a file after all that it imports. */
        r->imports[i] = UINT64_C(1) << i;
        for (size_t j = 0; j < f->n_dependency; j++) {
            int import = find_file(r, f->dependency[j]);
            assert(import >= 0 && import < (int)i);
            r->imports[i] |= r->imports[import];
        }
        add_file(r, (int)i, f);
    }
    qsort(r->symbols, r->symbol_count, sizeof *r->symbols, compare_symbols);
    list_services(r, services, service_count);
    return r;
}

void reflection_close(struct reflection *r)
{
    for (size_t i = 0; i < r->set->n_file; i++)
        free((void *)(uintptr_t)r->packed[i].data);
    for (size_t i = 0; i < r->symbol_count; i++)
        free(r->symbols[i].name);
    free(r->symbols);
    free(r->services);
    google__protobuf__file_descriptor_set__free_unpacked(r->set, NULL);
    free(r);
}

/* ---- the answers ---- */

static const struct reflection *reflection_of(const struct stream *s)
{
    return s->worker->server->reflection;
}

static void send_not_found(struct stream *s, reflection_response *response, const char *what)
{
    Grpc__Reflection__V1__ErrorResponse error;
    char *text = arena_printf(&s->arena, "not found: %s", what);

    grpc__reflection__v1__error_response__init(&error);
    error.error_code = GRPC_NOT_FOUND;
    if (text)
        error.error_message = text;
    response->message_response_case = ANSWER(ERROR_RESPONSE);
    response->error_response = &error;
    stream_send(s, &response->base);
}

static void send_file(struct stream *s, reflection_response *response, int file)
{
    const struct reflection *r = reflection_of(s);
    Grpc__Reflection__V1__FileDescriptorResponse files;
    ProtobufCBinaryData protos[FILES_MAX];
    uint64_t wanted = r->imports[file] & ~s->files_sent;

    grpc__reflection__v1__file_descriptor_response__init(&files);
    files.file_descriptor_proto = protos;
    for (int i = file; i >= 0; i--) {
        if (i != file && !(wanted >> i & 1))
            continue;
        protos[files.n_file_descriptor_proto].data = (uint8_t *)(uintptr_t)r->packed[i].data;
        protos[files.n_file_descriptor_proto++].len = r->packed[i].len;
    }
    s->files_sent |= r->imports[file];
    response->message_response_case = ANSWER(FILE_DESCRIPTOR_RESPONSE);
    response->file_descriptor_response = &files;
    stream_send(s, &response->base);
}

static void send_symbol(struct stream *s, reflection_response *response, const char *name)
{
    const struct symbol *symbol = find_symbol(reflection_of(s), name);

    if (symbol)
        send_file(s, response, symbol->file);
    else
        send_not_found(s, response, name);
}

/* None of our messages has extensions. */
static void send_extension_numbers(struct stream *s, reflection_response *response,
                                   const char *type)
{
    const struct symbol *symbol = find_symbol(reflection_of(s), type);
    Grpc__Reflection__V1__ExtensionNumberResponse numbers;

    grpc__reflection__v1__extension_number_response__init(&numbers);
    if (!symbol || !symbol->is_message) {
        send_not_found(s, response, type);
        return;
    }
    numbers.base_type_name = symbol->name;
    response->message_response_case = ANSWER(ALL_EXTENSION_NUMBERS_RESPONSE);
    response->all_extension_numbers_response = &numbers;
    stream_send(s, &response->base);
}

static void send_services(struct stream *s, reflection_response *response)
{
    const struct reflection *r = reflection_of(s);
    Grpc__Reflection__V1__ListServiceResponse list;
    Grpc__Reflection__V1__ServiceResponse **pointers =
        arena_array(&s->arena, r->service_count, sizeof *pointers);
    Grpc__Reflection__V1__ServiceResponse *items =
        arena_array(&s->arena, r->service_count, sizeof *items);

    grpc__reflection__v1__list_service_response__init(&list);
    for (size_t i = 0; pointers && items && i < r->service_count; i++) {
        grpc__reflection__v1__service_response__init(&items[i]);
        items[i].name = text_borrow(r->services[i]);
        pointers[i] = &items[i];
        list.n_service = i + 1;
    }
    list.service = pointers;
    response->message_response_case = ANSWER(LIST_SERVICES_RESPONSE);
    response->list_services_response = &list;
    stream_send(s, &response->base);
}

static void on_message(struct stream *s, const ProtobufCMessage *message)
{
    reflection_request *request = (reflection_request *)(uintptr_t)message;
    reflection_response response;

    grpc__reflection__v1__server_reflection_response__init(&response);
    response.valid_host = request->host;
    response.original_request = request;
    switch (request->message_request_case) {
    case QUESTION(FILE_BY_FILENAME): {
        int file = find_file(reflection_of(s), request->file_by_filename);
        if (file >= 0)
            send_file(s, &response, file);
        else
            send_not_found(s, &response, request->file_by_filename);
        break;
    }
    case QUESTION(FILE_CONTAINING_SYMBOL):
        send_symbol(s, &response, request->file_containing_symbol);
        break;
    case QUESTION(FILE_CONTAINING_EXTENSION):
        send_not_found(s, &response, request->file_containing_extension->containing_type);
        break;
    case QUESTION(ALL_EXTENSION_NUMBERS_OF_TYPE):
        send_extension_numbers(s, &response, request->all_extension_numbers_of_type);
        break;
    case QUESTION(LIST_SERVICES):
        send_services(s, &response);
        break;
    default:
        stream_finish(s, ERR_INVALID, "the request asks for nothing: set message_request");
        break;
    }
}

static void on_half_close(struct stream *s)
{
    stream_finish(s, ERR_OK, "");
}

static void on_sent(struct stream *s)
{
    stream_receive(s);
}

static void on_end(struct stream *s)
{
    (void)s;
}

#define KIND(version)                                                                 \
    {                                                                                 \
        .path = "/grpc.reflection." version ".ServerReflection/ServerReflectionInfo", \
        .request = &grpc__reflection__v1__server_reflection_request__descriptor,      \
        .is_reflection = true,                                                        \
        .on_message = on_message,                                                     \
        .on_half_close = on_half_close,                                               \
        .on_sent = on_sent,                                                           \
        .on_end = on_end,                                                             \
    }

const struct stream_kind reflection_v1 = KIND("v1");
const struct stream_kind reflection_v1alpha = KIND("v1alpha");
