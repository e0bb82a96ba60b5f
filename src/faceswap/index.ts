/** The laboratory: avatars, the face-swap autoencoder, its losses, training and measures. */
export {
  type Architecture,
  type Autoencoder,
  autoencoder,
  type CodeDistribution,
  codeLength,
  type LayerDescription,
  layersOf,
  mapSizes,
  SIDES,
  type Side,
  UPSAMPLINGS,
  type Upsampling,
} from "./architecture.js";
export { type AvatarOptions, avatars, drawAvatars, type Layer, poses } from "./avatars.js";
export { adversary, type IdentityClassifier, identityClassifier, type RampOptions, ramp } from "./code/adversary.js";
export { codeConsistency } from "./code/consistency.js";
export { coral } from "./code/coral.js";
export { latentLoss } from "./code/latent.js";
export { mmd } from "./code/mmd.js";
export { sampleCode, vibKl } from "./code/vib.js";
export { checkConfig, type TrainingConfig } from "./config.js";
export {
  type Direction,
  drawHeldOut,
  type HeldOut,
  type Made,
  measureAvatars,
  measureFolders,
  Viewer,
  withResponses,
} from "./evaluation.js";
export { expressionGates, showsExpression } from "./expression.js";
export { gridEnergy } from "./gridEnergy.js";
export { type Cast, type CastName, castNamed, type Identity, PAIRS, type PairName } from "./identities.js";
export { bottleneckOf, inspectLayers } from "./inspect.js";
export { type LatentStatistics, latentStatistics } from "./losses.js";
export { LOSS_NAMES, type LossName, type LossWeights, lossFormulas } from "./lossSlots.js";
export { type Gate, gates, type Measures, measure, medianPicture, type Stack } from "./measures.js";
export { type Model, modelOf } from "./model.js";
export { lpips, type PerceptualNetwork, perceptualNetwork, placeholderNetwork } from "./perceptual/lpips.js";
export { type RandomFeatureNetwork, randomFeatureNetwork, randomFeatures } from "./perceptual/randomFeatures.js";
export { PERCEPTUAL_KINDS, type PerceptualKind, perceptualShapes } from "./perceptual/trunks.js";
export { checkLpipsWeights, missingWeights } from "./perceptual/weights.js";
export { type PictureSet, pickPictures } from "./pictures.js";
export { type Background, POSE_COUNT, POSE_KINDS, POSE_NAMES, type PoseKind } from "./poses.js";
export { PRESETS, type Preset, type PresetName, presetNamed } from "./presets.js";
export { type LossNetworks, lossNetworks } from "./slotLosses.js";
export { largestBatch, planStep, type StepPlan } from "./stepPlan.js";
export { compileTraining, type TrainingData, trainingGraph } from "./training.js";
