/// The APIs that people's clients speak, turned into requests to models on a market.
@NullMarked
package dev.perseid.gateway;

import org.jspecify.annotations.NullMarked;
