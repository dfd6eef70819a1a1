/// The log's files: the record store, the Merkle tree and its proofs, exports.
@NullMarked
package dev.perseid.journal;

import org.jspecify.annotations.NullMarked;
