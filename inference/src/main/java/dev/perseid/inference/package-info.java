/// Load a model, run one request, stream, meter.
@NullMarked
package dev.perseid.inference;

import org.jspecify.annotations.NullMarked;
