/** The platform that the tests of the C++ core are compiled for. */
export const testedTarget: string
/** Where their programs are. */
export const programs: string
