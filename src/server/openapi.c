/* /openapi.json, made from the tables of routes (routes.c) and parameters (params.c).
 *
 * Being made from what the server itself goes by, it cannot name a route or parameter that
 * is not there, nor leave one out.  It describes requests; answers have the forms that the
 * respective API documents. */
#include "server/params.h"

#include <stdio.h>
#include <string.h>

static json_t *schema_of(const mn_param_spec *s)
{
    static const char *const types[] = { "integer", "number", "boolean", "string", "string",
                                         "array", "object" };
    json_t *o = json_object();
    if (s->type == MN_STRINGS) {
        json_object_set_new(o, "anyOf", json_pack("[{s:s}, {s:s, s:{s:s}, s:i}]", "type", "string",
            "type", "array", "items", "type", "string", "maxItems", (int)s->hi));
    } else if (s->type != MN_ANY) {
        json_object_set_new(o, "type", json_string(types[s->type]));
    }
    if (s->type == MN_NUMBER) {
        json_object_set_new(o, "minimum", json_real(s->lo));
        json_object_set_new(o, "maximum", json_real(s->hi));
    } else if (s->type == MN_INTEGER && s->hi < 1e15) {
        json_object_set_new(o, "minimum", json_integer((json_int_t)s->lo));
        json_object_set_new(o, "maximum", json_integer((json_int_t)s->hi));
    }
    json_object_set_new(o, "description", json_string(s->about ? s->about
                                                               : "accepted; has no effect here"));
    return o;
}

static json_t *body_of(unsigned where)
{
    json_t *properties = json_object();
    for (size_t i = 0; i < mn_n_param_specs; i++)
        if (mn_param_specs[i].where & where)
            json_object_set_new(properties, mn_param_specs[i].name, schema_of(&mn_param_specs[i]));
    return json_pack("{s:b, s:{s:{s:{s:s, s:b, s:o}}}}", "required", 1, "content",
                     "application/json", "schema", "type", "object", "additionalProperties", 0,
                     "properties", properties);
}

static json_t *operation_of(const mn_route_spec *r)
{
    json_t *o = json_pack("{s:s, s:{s:{s:s}}}", "summary", r->about, "responses", "200",
                          "description", "as the API that has this path describes it");
    if (r->flags & MN_ROUTE_JSON) json_object_set_new(o, "requestBody", body_of(r->params));
    if (r->flags & MN_ROUTE_PREFIX) {
        const char *from = strchr(r->path, '{') + 1;
        json_object_set_new(o, "parameters", json_pack("[{s:s%, s:s, s:b, s:{s:s}}]", "name", from,
            strcspn(from, "}"), "in", "path", "required", 1, "schema", "type", "string"));
    }
    json_object_set_new(o, "security", r->flags & MN_ROUTE_OPEN ? json_array()
                                           : json_pack("[{s:[]}]", "key"));
    return o;
}

void mn_api_openapi(mn_call *c)
{
    json_t *paths = json_object();
    for (size_t i = 0; i < mn_n_routes; i++) {
        const mn_route_spec *r = &mn_routes[i];
        char method[8] = { 0 };
        json_t *path = json_object_get(paths, r->path);
        if (!path) json_object_set_new(paths, r->path, path = json_object());
        for (size_t k = 0; r->method[k] && k < sizeof method - 1; k++)
            method[k] = (char)(r->method[k] | 0x20);
        json_object_set_new(path, method, operation_of(r));
    }
    mn_answer_json(c->http, 200, json_pack("{s:s, s:{s:s, s:s}, s:o, s:{s:{s:{s:s, s:s}}}}",
        "openapi", "3.1.0", "info", "title", "Minerva", "version", minerva_version(), "paths",
        paths, "components", "securitySchemes", "key", "type", "http", "scheme", "bearer"));
}
