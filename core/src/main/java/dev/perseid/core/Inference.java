package dev.perseid.core;

import java.util.OptionalLong;

/// What the record of an inference request says beyond that of any other attempt.
///
/// @param api which call it was: `chat`, `completion`, `embedding` or `infer`
/// @param quantisation of the weights that answered
/// @param promptTokens billed tokens of the prompt, cached ones included
/// @param cachedTokens how many of them the provider still knew
/// @param completionTokens billed tokens of the answer
/// @param rows billed rows of a predictive model
/// @param firstTokenUs when the first part of the answer left the provider, microseconds since the
///   epoch by its clock; absent if none did
/// @param author who published the model
/// @param toAuthor the author's part of the charge, microcredits
/// @param toPool the pool's part of the charge; the provider gets the rest
public record Inference(
    String api,
    String quantisation,
    long promptTokens,
    long cachedTokens,
    long completionTokens,
    long rows,
    OptionalLong firstTokenUs,
    Address author,
    long toAuthor,
    long toPool) {}
