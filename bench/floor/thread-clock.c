// A Node add-on with one function, `threadCpuNs()`: the processor time that the calling thread has used (CLOCK_THREAD_CPUTIME_ID). Node has
// `process.threadCpuUsage()` only from version 23.9 on, and process.cpuUsage() counts the worker threads too.
#include <node_api.h>
#include <time.h>

static napi_value ThreadCpuNs(napi_env env, napi_callback_info info) {
  (void)info;
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  napi_value result = NULL;
  napi_create_double(env, (double)now.tv_sec * 1e9 + (double)now.tv_nsec, &result);
  return result;
}

NAPI_MODULE_INIT() {
  napi_value function = NULL;
  if (napi_create_function(env, "threadCpuNs", NAPI_AUTO_LENGTH, ThreadCpuNs, NULL, &function) == napi_ok)
    napi_set_named_property(env, exports, "threadCpuNs", function);
  return exports;
}
