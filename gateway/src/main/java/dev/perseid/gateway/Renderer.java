package dev.perseid.gateway;

import java.util.List;
import java.util.Map;

/// Turns the parts of one canonical answer into what one client reads. One for each request, used
/// on one thread at a time, in this order: [#serving] (again for each provider that is tried),
/// [#part] any number of times, then [#done] or [#failed].
///
/// Where [#streams] is false, nothing is rendered before the answer is complete: the parts are kept
/// and [#part] is called for all of them just before [#done], so a failed attempt leaves no trace
/// and its problem is rendered by [Dialect#error].
interface Renderer {
  /// Type of the answer's body; asked when its head is written.
  String contentType();

  /// Further headers of the answer; asked when its head is written.
  default List<Map.Entry<String, String>> headers() {
    return List.of();
  }

  /// Whether bytes go to the client before the answer is complete.
  boolean streams();

  /// Who is asked now. No part of an earlier attempt has been rendered.
  ///
  /// @param model the name, of those that the client wrote, under which it is asked
  /// @param listing the offer
  default void serving(String model, Market.Listing listing) {}

  /// A part of the canonical answer came: see [dev.perseid.inference.Answer#part].
  ///
  /// @throws Problem if the part is rubbish; the provider is then taken to have failed
  void part(byte[] json, Outlet out) throws Problem;

  /// The answer is complete; write its end.
  ///
  /// @throws Problem if it is not: something that the API promises is missing
  void done(Market.Bill bill, Outlet out) throws Problem;

  /// The answer breaks off after something has been sent: write an error in the API's in-band
  /// shape. The answer ends there, without its usual mark of completeness. Never called where
  /// [#streams] is false.
  void failed(Problem problem, Outlet out);

  /// Nothing came for a while: write something that every client of this API skips. Nothing by
  /// default, except a comment in server-sent events.
  default void waiting(Outlet out) {
    if (contentType().startsWith("text/event-stream")) {
      out.text(": perseid\n\n");
    }
  }
}
