/// Keys, EIP-712 signatures, receipts, TLS identity.
@NullMarked
package dev.perseid.settle;

import org.jspecify.annotations.NullMarked;
