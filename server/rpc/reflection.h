/* grpc.reflection.v1 and v1alpha: the protocols of this server, for tools like grpcurl. The two
 * versions have the same bytes on the wire, so one implementation answers both. */
#pragma once

#include "base/bytes.h"
#include "rpc/stream.h"

struct reflection;
struct rpc_service;

extern const struct stream_kind reflection_v1;
extern const struct stream_kind reflection_v1alpha;

/* `descriptors` is a serialized FileDescriptorSet with all imports, at most 64 files; it and the
 * services live as long as the reflection, which every worker reads and nobody changes. */
struct reflection *reflection_open(struct bytes descriptors, const struct rpc_service *services,
                                   int service_count);
void reflection_close(struct reflection *r);
