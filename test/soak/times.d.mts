/** Minutes for all modes together. */
export const soakMinutes: number
