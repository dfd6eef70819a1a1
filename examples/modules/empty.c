// The smallest task: done at once. What it costs is what the system costs.
#include "perseid.h"

PERSEID_STEP { return PERSEID_DONE; }
