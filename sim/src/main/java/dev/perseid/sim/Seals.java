package dev.perseid.sim;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.node.RecordDigests;

/// Who can sign in a world, and what is signed.
interface Seals extends RecordDigests {
  /// Somebody new, who can sign from now on.
  ///
  /// @param seed whose key it is; the same seed gives the same address
  Address admit(long seed);

  /// What an author signs to publish.
  Hash model(Model model);

  /// What a provider signs to serve a model.
  Hash modelOffer(ModelOffer offer);

  /// The signature of somebody who was admitted, 65 bytes in hexadecimal digits.
  String sign(Address who, Hash digest);
}
