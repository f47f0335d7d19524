/** Of failures in a row, those that are told: the first, the second, the fourth and so on, fewer and fewer. @param failures from 1 */
export const isToldFailure = (failures: number): boolean => Number.isInteger(Math.log2(failures));
