/* What the system says of this process, as metrics of the names that Prometheus' own clients use.
 */
#pragma once

#include "base/http.h"

void process_print(struct http_answer *out);
