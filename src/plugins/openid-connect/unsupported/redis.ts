export { redisFields } from '../../redis.ts'
