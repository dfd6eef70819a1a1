// Compares two results of a native task: they are alike if their outputs have the same sizes. Inputs are the outputs of the
// one, then those of the other; output 0 begins with '1' if they are alike.
#include "perseid.h"

PERSEID_STEP {
  int32_t count = perseid_input_count() / 2;
  int alike = 1;
  for (int32_t i = 0; i < count; i++) alike &= perseid_input_size(i) == perseid_input_size(count + i);
  perseid_output_write(0, alike ? "1" : "0", 1);
  return PERSEID_DONE;
}
