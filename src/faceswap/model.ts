import { type Autoencoder, autoencoder } from "./architecture.js";
import { type IdentityClassifier, identityClassifier } from "./code/adversary.js";
import type { TrainingConfig } from "./config.js";

/** What a run trains: the autoencoder, and what some losses learn beside it, in the same parameters. */
export interface Model extends Autoencoder {
  /** Reads the identity from a code: the opponent of the encoder in the loss "adversary". */
  readonly classifier?: IdentityClassifier;
}

type ModelConfig = Pick<TrainingConfig, "architecture" | "seed" | "identities" | "lossWeights">;

/** The network of a run with initial weights from its seed. @throws UserError */
export function modelOf({ architecture, seed, identities, lossWeights }: ModelConfig): Model {
  const model = autoencoder(architecture, seed, identities);
  if (lossWeights.adversary === undefined) return model;
  return { ...model, classifier: identityClassifier(model, seed) };
}
