/// The protocol: .proto files and their mapping to core's words.
@NullMarked
package dev.perseid.wire;

import org.jspecify.annotations.NullMarked;
